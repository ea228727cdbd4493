"""The checks of `nspd.testing.ProviderContract`, each an async function of the contract."""
