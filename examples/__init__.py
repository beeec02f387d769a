"""Programs that use Weft: `python -m examples.models.resnet`; docs/examples.md lists them."""
