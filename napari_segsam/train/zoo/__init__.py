"""Fine-tuning of published models on a person's own slices, into files of exactly the published format."""
