"""Where providers' notifications are kept: one adapter a module, for each kind of store."""
