#!/usr/bin/env python3
"""Prints what TensorBoard itself reads in event files of gfn, one line a number. Needs the package tensorboard; used while
developing gflownet/train/event_file.cc, whose test holds bytes that passed here.

    tools/check_event_file.py runs/mine/events.out.tfevents.*
"""
import sys

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

for path in sys.argv[1:]:
    for event in LegacyEventFileLoader(path).Load():
        if event.HasField("file_version"):
            print(path, event.file_version)
        if event.HasField("session_log"):
            print("step", event.step, "session", event.session_log.status)
        for value in event.summary.value:
            print("step", event.step, value.tag, value.simple_value)
