"""What lies on disk: arrays and manifests, checkpoints, run directories, policies."""
