"""The OpenAPI 3.1 document: generated from the types that validate and the types that answer."""
