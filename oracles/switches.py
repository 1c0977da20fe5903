"""Changes of an engine's settings that a bug may come or go with: an adapter's ``switches`` (``oracles.engine``)."""

from __future__ import annotations

from dataclasses import dataclass

from oracles.engine import EngineId, UsageError, adapter, engine_names


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of an engine's settings that a bug may come or go with; ``fuzz explain`` tries each.

    ``changes`` are settings by key, "" for one that is taken away. ``off`` names what it changes to, ``on`` what is so
    without it: ``has_avx=false`` and ``has_avx``. ``plainer``: with it less goes on when a module is compiled, so that
    a bug that is still there is told by fewer settings. A group changes several things that other switches change one
    by one. ``places``: it changes where values lie and code stands, and nothing of what is computed.
    """

    off: str
    on: str
    changes: tuple[tuple[str, str], ...]
    plainer: bool = False
    group: bool = False
    places: bool = False

    def applied(self, id: EngineId) -> EngineId:
        """The id with the change. Raises ``UsageError`` where the settings exclude each other."""
        settings = dict(id.settings)
        for key, value in self.changes:
            settings.pop(key, None)
            if value:
                settings[key] = value
        return EngineId.parse(str(id.with_settings(settings)))


def placements(id: EngineId) -> tuple[EngineId, ...]:
    """The same engine with values in other places, in each way that its adapter knows of (``Switch.places``): one other
    value of each such setting, and all of these at once."""
    switches = getattr(adapter(id.name), "switches", None) if id.name in engine_names() else None
    others: dict[tuple[str, ...], EngineId] = {}
    together = id
    for switch in switches(id) if switches is not None else ():
        keys = tuple(key for key, _ in switch.changes)
        if not switch.places or keys in others:
            continue
        try:
            others[keys] = switch.applied(id)
            together = switch.applied(together)
        except UsageError:
            continue  # excluded by another setting
    return tuple(one for one in dict.fromkeys((*others.values(), together)) if one != id)
