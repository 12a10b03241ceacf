"""The adapters that ship with the order management system, one file or folder per port."""
