"""DICOM: which files and frames make a volume, where it lies, and its voxels."""
