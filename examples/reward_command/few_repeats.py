"""A reward for `task.reward`, kind command: log R falls with every word that a text repeats (docs/guides/reward.md)."""
import json
import sys


def log_reward(text):
    words = text["text"].lower().split()
    return -2.0 * (len(words) - len(set(words)))


for line in sys.stdin:
    texts = json.loads(line)["texts"]
    print(json.dumps({"log_rewards": [log_reward(text) for text in texts]}), flush=True)
