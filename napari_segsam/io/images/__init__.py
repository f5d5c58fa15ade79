"""Scans and pictures in the formats of research: NIfTI, NRRD, MetaImage, PNG, JPEG and TIFF."""
