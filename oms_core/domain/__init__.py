"""The rules of the business, pure: no input or output, no clock, no framework."""
