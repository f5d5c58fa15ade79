"""The models of the zoo behind the Predictor protocol: their pictures, their coordinates, what they cannot say."""
