"""What the program is trained on and with: registry, class cards, the embedded default checkpoint."""
