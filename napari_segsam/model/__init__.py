"""SEG-SAM (arXiv 2412.12660) on segment_anything's modules: encoder, prompt encoder, both decoders, text-to-vision."""
