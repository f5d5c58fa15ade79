"""The nouns: Grid, Volume, SliceView, Prompts, Prediction, Patch, LabelMap. Needs numpy only."""
