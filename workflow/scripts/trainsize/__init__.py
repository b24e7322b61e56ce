"""trainsize: how much does more training data help an image classifier, and how much is enough?"""
