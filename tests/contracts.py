"""A kind of contract that import-linter does not have: no circle between modules, a package's ``__init__`` among them.

Its own ``acyclic_siblings`` compares the children of one folder, so that a module which imports its own package, while
the package's ``__init__`` imports that module, is no circle to it. It is one to Python.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel


class AcyclicModules(Contract):
    """``type = "acyclic_modules"``: fails with one circle, each of its imports by file and line."""

    type_name = "acyclic_modules"

    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)
    unmatched_ignore_imports_alerting = fields.EnumField(AlertLevel, default=AlertLevel.ERROR)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        removed = contract_utils.remove_ignored_imports_and_report(
            graph=graph,
            ignore_imports=self.ignore_imports,  # type: ignore[arg-type]
            unmatched_alerting=self.unmatched_ignore_imports_alerting,  # type: ignore[arg-type]
        )
        imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
        circle: list[str] = []
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]  # graphlib goes from what is imported to who imports it
        steps = [(importer, imported, graph.get_import_details(importer=importer, imported=imported)[0]["line_number"])
                 for importer, imported in pairwise(circle)]  # fmt: skip
        return ContractCheck(
            kept=not steps,
            warnings=list(removed.warnings),
            ignored_import_count=removed.ignored_import_count,
            metadata={"steps": steps},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error("These modules import each other in a circle:")
        for importer, imported, line in check.metadata["steps"]:
            output.print_error(f"- {importer} -> {imported} (l.{line})")
        output.new_line()
