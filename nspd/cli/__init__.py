"""The commands nspd and nspctl, one file for each verb."""
