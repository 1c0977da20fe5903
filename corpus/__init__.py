"""Cases that are kept. ``seeds/`` goes into the installed package: target ``mutate`` starts from it."""
