"""Where stock is kept: one adapter a module, each keeping the promises of the inventory port."""
