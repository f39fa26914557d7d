#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""C files and functions stay small enough to be read in one go. Over the first number: a warning;
over the second: wrong. clang-format guarantees that a function, and nothing else, stands between a
lone { and a lone } in the first column."""

import re
import sys

from files import files, lines

FILE = (600, 800)
FUNCTION = (60, 100)

NAME = re.compile(r'(\w+)\(')


def functions(text):
    """(line of the opening brace, name, number of lines between and with the braces)"""
    start = 0
    for n, line in enumerate(text, 1):
        if line == '{':
            start = n
        elif line == '}' and start:
            head = ' '.join(text[max(0, start - 8):start - 1])
            names = NAME.findall(head[head.rfind(';') + 1:])
            yield start, names[0] if names else 'a function', n - start + 1
            start = 0


def main():
    wrong = 0

    def judge(size, limits, where, what):
        nonlocal wrong
        if size > limits[0]:
            over = size > limits[1]
            wrong += over
            print(f"{where}: {what} has {size} lines, {'limit' if over else 'warning: aim is'} "
                  f'{limits[over]}')

    for path in files('.c', '.h'):
        text = lines(path)
        judge(len(text), FILE, path, 'the file')
        for n, name, size in functions(text):
            judge(size, FUNCTION, f'{path}:{n}', name)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
