"""Where orders are kept: one adapter a module, each keeping the promises of the storage port."""
