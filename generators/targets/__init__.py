"""The fuzz targets, one file each; ``generators.registry`` finds them by listing this folder.

A file's first line says what it reaches (``fuzz targets`` prints it). Its names are

    NEEDS: frozenset[Feature]       what it cannot do without: where no engine has it the target gets no turn, and each
                                    other feature is one that its cases are made without where an engine lacks it
    HOSTING: frozenset[Hosting]     what its cases ask of a host besides, if anything: the same holds of it
    generate(source, config)        one case of the choices, with no feature and no size outside of the configuration
    KIND: CaseKind                  what its cases are, if not modules to run
    WEIGHT: float                   its part of the CPU time where targets share it, if not 1
    BASE: bool                      whether ``modules`` and ``mutate`` start from its cases, if so; a new one changes
                                    theirs, which raises ``GENERATOR_VERSION``
    PARTS: tuple[Part, ...]         kinds of statements that ``mixed`` takes into its functions, if it has any
    chosen(which), variants()       the same on other data, an object with these names and with DATA, the data's
                                    digest; and which data there are: ``rules:wasmtime@50.0.1``

A target says what is in a case and in which proportions. How a thing is written stands in the wings (``generators``),
as soon as two targets write it. docs/targets.md says what each one reaches; CONTRIBUTING.md has a whole one as an
example; ``tests/generation/texts`` shows a small case of each as text.
"""
