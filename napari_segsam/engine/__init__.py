"""All behaviour, without Qt: embed a slice once, answer prompts, keep the session and its history."""
