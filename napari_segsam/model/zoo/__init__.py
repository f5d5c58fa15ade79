"""The model zoo: one file per published family, how its file looks, how its input is prepared, how it is built."""
