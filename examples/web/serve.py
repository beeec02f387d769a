"""A page that says what a drawing shows, with a network compiled to WebAssembly.

Trains the demo's network on Fashion-MNIST unless one is given, compiles it, and serves the page.
With ``--only-make`` the folder is made and nothing served: any server of files will do.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
from collections.abc import Callable
from pathlib import Path

import weft
from weft import optim
from weft.data import DataLoader, FashionMNIST

from examples.train_fashion_mnist import classifier, make_network, train, training_step

PAGE = Path(__file__).parent
FILES = ["index.html", "style.css", "page.js"]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, with the types that browsers ask of modules."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }


def trained(root: str, epochs: int) -> Callable:
    """A network that was shown all images so many times."""
    weft.random.seed(0)
    network = make_network()
    optimizer = optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(FashionMNIST(root, train=True), 64, shuffle=True, seed=0)
    train(training_step(network, optimizer), loader, epochs, "fashion")
    return classifier(network)


def make(program: weft.Program, folder: Path) -> None:
    """Writes the page, the module and the JavaScript that calls it."""
    folder.mkdir(parents=True, exist_ok=True)
    program.compile_object(
        folder / "fashion.wasm", target="wasm32", javascript=folder / "fashion.js"
    )
    for name in FILES:
        shutil.copyfile(PAGE / name, folder / name)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, help="what tools/demo --export saved")
    parser.add_argument("--epochs", type=int, default=1, help="of training without --program (1)")
    parser.add_argument("--root", default="/usr/share/datasets/fashion-mnist", help="the data set")
    parser.add_argument("--folder", type=Path, default=Path("build/web"), help="(build/web)")
    parser.add_argument("--port", type=int, default=8000, help="(8000)")
    parser.add_argument("--only-make", action="store_true", help="serve nothing")
    options = parser.parse_args(arguments)
    program = (
        weft.load(options.program)
        if options.program
        else weft.export(trained(options.root, options.epochs), weft.spec(("n", 1, 28, 28)))
    )
    make(program, options.folder)
    size = (options.folder / "fashion.wasm").stat().st_size
    print(f"{options.folder}: a page and a module of {size / 2**20:.1f} MiB")
    if options.only_make:
        return
    handler = functools.partial(Handler, directory=options.folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"http://localhost:{options.port} (Ctrl-C ends it)", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
