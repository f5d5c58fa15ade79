"""Files of published weights: opened, taken apart and never run."""
