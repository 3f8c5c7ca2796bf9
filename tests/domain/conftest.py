from hypothesis import settings

# A figure of time says nothing about a rule, and much about how busy the machine is.
settings.register_profile("rules", deadline=None)
settings.load_profile("rules")
