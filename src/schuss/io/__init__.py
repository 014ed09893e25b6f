"""Files: models and checkpoints, in the safetensors format."""
