#!/usr/bin/env python3
"""Takes the pictures of the terminal board and of the web page.

    cargo build --release
    docs/take-pictures.py target/release/dispatch docs

It runs the demo, opens `dispatch watch` in tmux and draws its screen as
docs/board.svg, and takes docs/page.png of an exported page with Chromium.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 120, 22

here = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("record_demo", here / "record-demo.py")
record_demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(record_demo)


def tmux(*args):
    run = subprocess.run(["tmux", "-L", "pictures", *args], check=True, capture_output=True, text=True)
    return run.stdout


def captured(dispatch, repository, keys):
    """The screen of the board after these keys, with its styles."""
    command = f"{dispatch} watch"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", str(repository), command)
    try:
        deadline = time.monotonic() + 20
        while "q leave" not in tmux("capture-pane", "-p"):
            assert time.monotonic() < deadline, "the board did not open"
            time.sleep(0.1)
        for key in keys:
            tmux("send-keys", key)
            time.sleep(0.7)
        return tmux("capture-pane", "-e", "-p")
    finally:
        tmux("kill-server")


def board(text):
    """The screen as one SVG."""
    record_demo.COLUMNS = COLUMNS
    screen = record_demo.Screen()
    # tmux writes a basic colour as one of 256.
    for number in range(8):
        text = text.replace(f"\x1b[38;5;{number}m", f"\x1b[{30 + number}m")
    screen.write(text.replace("\n", "\r\n"))
    lines = [tuple(line) for line in screen.lines[:ROWS]]
    drawn = [record_demo.draw_line(line, 26 + record_demo.LINE * row) for row, line in enumerate(lines)]
    width = COLUMNS * record_demo.CELL + 24
    height = ROWS * record_demo.LINE + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="The terminal board">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#1b1f27"/>\n'
        f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#d8dee9" '
        f'xml:space="preserve" style="white-space: pre">\n' + "\n".join(line for line in drawn if line) + "\n</g>\n</svg>\n"
    )


def page(dispatch, repository, to):
    """Takes a picture of the board's page."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [dispatch, "web", "--export", f"{folder}/pages"],
            cwd=repository, check=True, capture_output=True, text=True,
        )
        address = pathlib.Path(repository, run.stdout.strip().splitlines()[-1]).resolve().as_uri()
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,900",
             f"--screenshot={to}", address],
            check=True, capture_output=True,
        )


def main():
    dispatch = str(pathlib.Path(sys.argv[1]).resolve())
    docs = pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(XDG_STATE_HOME=f"{folder}/state", DISPATCH_SEED="1")
        repository = pathlib.Path(folder, "garden")
        subprocess.run([dispatch, "demo", "--fast", str(repository)], check=True, capture_output=True)
        (docs / "board.svg").write_text(board(captured(dispatch, repository, ["j"])))
        page(dispatch, repository, docs / "page.png")


main()
