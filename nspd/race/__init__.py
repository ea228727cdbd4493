"""The race laboratory: cancellation races driven against a live daemon, and judged."""
