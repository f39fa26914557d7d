#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/flowgen-json.md names exactly the keys that are printed.

exec /usr/bin/python3 "$(dirname "$0")/json_keys.py" "${HF_BUILD:?is not set}"
