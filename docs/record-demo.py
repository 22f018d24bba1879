#!/usr/bin/env python3
"""Records `dispatch demo` as an animated SVG of a terminal.

    cargo build --release
    docs/record-demo.py target/release/dispatch docs/demo.svg

It runs the demo on a pseudo-terminal, keeps a picture of the screen at each
change, and writes them as frames of one SVG. Only the standard library is used.
"""

import html
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
import fcntl

COLUMNS, ROWS = 100, 36
CELL, LINE = 8.0, 18
# The shortest time between two frames, in seconds.
STEP = 0.12
COLORS = {
    30: "#3b4252", 31: "#e06c75", 32: "#98c379", 33: "#e5c07b",
    34: "#61afef", 35: "#c678dd", 36: "#56b6c2", 37: "#d8dee9",
}
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[\]].*?(?:\x07|\x1b\\)|\x1b.")


class Screen:
    """The visible lines of a terminal, as cells of a character and its style."""

    def __init__(self):
        self.lines = [[]]
        self.row = self.column = 0
        self.style = ()

    def write(self, text):
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = SEQUENCE.match(text, at)
                if not found:
                    return text[at:]
                self.control(found.group(1) or "", found.group(2))
                at = found.end()
                continue
            self.put(text[at])
            at += 1
        return ""

    def put(self, char):
        if char == "\n":
            self.row += 1
            self.column = 0
            while len(self.lines) <= self.row:
                self.lines.append([])
        elif char == "\r":
            self.column = 0
        elif char >= " ":
            if self.column >= COLUMNS:
                self.put("\n")
            line = self.lines[self.row]
            line.extend([(" ", ())] * (self.column + 1 - len(line)))
            line[self.column] = (char, self.style)
            self.column += 1

    def control(self, args, kind):
        numbers = [int(number) for number in args.split(";") if number.isdigit()]
        count = numbers[0] if numbers else 0
        if kind == "m":
            self.restyle(numbers or [0])
        elif kind == "A":
            self.row = max(0, self.row - max(1, count))
        elif kind == "B":
            self.row = min(len(self.lines) - 1, self.row + max(1, count))
        elif kind == "G":
            self.column = max(0, count - 1)
        elif kind == "K":
            line = self.lines[self.row]
            line[:] = [] if count == 2 else line[: self.column]
        elif kind == "J":
            del self.lines[self.row][self.column :]
            del self.lines[self.row + 1 :]

    def restyle(self, numbers):
        style = dict(self.style)
        for number in numbers:
            if number == 0:
                style = {}
            elif number == 1:
                style["bold"] = True
            elif number == 2:
                style["dim"] = True
            elif number == 22:
                style.pop("bold", None), style.pop("dim", None)
            elif 30 <= number <= 37:
                style["color"] = number
            elif 90 <= number <= 97:
                style["color"] = number - 60
            elif number == 39:
                style.pop("color", None)
        self.style = tuple(sorted(style.items()))

    def picture(self):
        """The last lines that fit, without blank ones at the end."""
        lines = [list(line) for line in self.lines]
        while lines and not any(char.strip() for char, _ in lines[-1]):
            lines.pop()
        return [tuple(line) for line in lines[-ROWS:]]


def record(command, folder):
    """The frames of a command, each with its time in seconds."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS))
        os.environ.pop("NO_COLOR", None)
        os.chdir(folder)
        os.execv(command[0], command)
    size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    screen, frames, rest = Screen(), [], ""
    for char in "$ dispatch demo\n":
        screen.put(char)
    start = time.monotonic()
    raw = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            raw += data
            text = raw.decode("utf-8", "ignore")
            raw = raw[len(text.encode()) :]
            rest = screen.write(rest + text)
        now = time.monotonic() - start
        picture = screen.picture()
        is_due = not frames or now - frames[-1][0] >= STEP
        if is_due and (not frames or picture != frames[-1][1]):
            frames.append((now, picture))
    os.waitpid(pid, 0)
    frames.append((time.monotonic() - start, screen.picture()))
    return frames


def draw_line(line, y):
    """One line as text, neighbouring cells of one style together."""
    spans, at = [], 0
    while at < len(line):
        end = at
        while end < len(line) and line[end][1] == line[at][1]:
            end += 1
        text = "".join(char for char, _ in line[at:end])
        if text.strip():
            style = dict(line[at][1])
            look = f' fill="{COLORS[style["color"]]}"' if "color" in style else ""
            look += ' font-weight="bold"' if "bold" in style else ""
            look += ' opacity="0.6"' if "dim" in style else ""
            # Viewers differ in what they do with blanks at the ends and with several in a row.
            begin = at + len(text) - len(text.lstrip())
            text = text.strip().replace("  ", "\u00a0\u00a0")
            width = len(text) * CELL
            spans.append(
                f'<text x="{12 + begin * CELL:g}" y="{y:g}" textLength="{width:g}"{look}>'
                f"{html.escape(text)}</text>"
            )
        at = end
    return "".join(spans)


def draw(frames):
    """The frames as one SVG; each distinct line is defined once."""
    defined, uses = {}, []
    width, height = COLUMNS * CELL + 24, ROWS * LINE + 24
    for at, (begin, picture) in enumerate(frames):
        end = frames[min(at + 1, len(frames) - 1)][0]
        parts = []
        for row, line in enumerate(picture):
            if not any(char.strip() for char, _ in line):
                continue
            name = defined.setdefault(line, f"l{len(defined)}")
            parts.append(f'<use href="#{name}" y="{12 + LINE * row:g}"/>')
        is_last = at + 1 == len(frames)
        # The last frame is what a viewer without animation shows.
        if is_last:
            hidden = f'<set attributeName="visibility" to="hidden" end="{begin:.2f}s"/>'
            uses.append(f"<g>{hidden}{''.join(parts)}</g>")
            continue
        shown = f'<set attributeName="visibility" to="visible" begin="{begin:.2f}s" end="{end:.2f}s"/>'
        uses.append(f'<g visibility="hidden">{shown}{"".join(parts)}</g>')
    symbols = "".join(
        f'<g id="{name}">{draw_line(line, 14)}</g>' for line, name in defined.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" '
        f'font-size="13" fill="#d8dee9" xml:space="preserve">\n'
        f"<title>dispatch demo</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#1e222a"/>\n'
        f"<defs>{symbols}</defs>\n" + "\n".join(uses) + "\n</svg>\n"
    )


def main():
    program, target = os.path.abspath(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HOME=folder, DISPATCH_SEED="1")
        # Nothing of the machine is in the picture.
        os.environ["PATH"] = os.path.dirname(program) + os.pathsep + os.environ["PATH"]
        frames = record([program, "demo", "garden"], folder)
        # The folder's own name stands in the output; readers see a plain one.
        short = [(at, shorten(picture, folder)) for at, picture in frames]
    with open(target, "w", encoding="utf-8") as file:
        file.write(draw(short))


def shorten(picture, folder):
    """The picture with the temporary folder written as `~`."""
    places = {os.path.realpath(folder), folder}
    lines = []
    for line in picture:
        text = "".join(char for char, _ in line)
        for place in places:
            at = text.find(place)
            if at >= 0:
                line = line[:at] + (("~", line[at][1]),) + line[at + len(place) :]
                text = "".join(char for char, _ in line)
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()
