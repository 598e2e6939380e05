from hypothesis import settings

# How long one example takes says more about the machine's neighbours than about the rule.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
