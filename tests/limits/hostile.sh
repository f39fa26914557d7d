#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Input of hostile size ends in one line with a place, in bounded memory and time; docs/limits.md.

exec /usr/bin/python3 "$(dirname "$0")/hostile.py" "${HF_BUILD:?is not set}/flowgen/flowgen"
