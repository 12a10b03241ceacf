"""Payment providers, one module or package each."""
