"""Values and rules: query sets, flags, errors, native size. No input, no output, no tasks."""
