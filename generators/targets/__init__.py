"""The fuzz targets, one file each; ``generators.registry`` finds them by listing this folder."""
