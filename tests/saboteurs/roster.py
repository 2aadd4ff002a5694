"""All saboteurs."""

from tests.saboteurs import outcomes, routing, wires
from tests.saboteurs.saboteur import Saboteur

SABOTEURS: dict[str, Saboteur] = {
    each.name: each
    for each in (*outcomes.SABOTEURS, *routing.SABOTEURS, *wires.SABOTEURS)
}
