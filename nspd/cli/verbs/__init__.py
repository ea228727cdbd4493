"""The verbs of nspctl, one module each; a module is imported when its verb is used."""
