"""An order management system to embed: orders, sagas, ports and use cases, without any framework."""
