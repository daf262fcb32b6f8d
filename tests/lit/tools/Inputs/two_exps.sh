#!/bin/sh
# Interesting, exit code 1, is a program with an addition of two exponentials.
if grep -q 'thunder.exp' "$1" && grep -q 'thunder.add' "$1"; then exit 1; else exit 0; fi
