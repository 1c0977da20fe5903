"""Several archives as one: of shards, or of any nights of several machines.

``merge``
    ``merge``: the folders, each as of one moment, into one; all at once or not at all, and the second time nothing.
``rows``
    Nights, cases done, counts, sightings and what else stands in tables, under the numbers of the archive they come to.
``causes``
    Which cause of the one archive each cause of another one is, and what people have said of them.
``bundles``
    Bundles: copied whole, the same one once, different ones never under one name.
"""
