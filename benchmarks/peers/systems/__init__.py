"""One module per system: how it is configured and why, and where its work can be counted."""

from benchmarks.peers.peer import Peer
from benchmarks.peers.systems.bullmq import BullMQ
from benchmarks.peers.systems.celery import Celery
from benchmarks.peers.systems.currant import Currant
from benchmarks.peers.systems.graphile_worker import GraphileWorker
from benchmarks.peers.systems.pgboss import PgBoss
from benchmarks.peers.systems.pgqueuer import PgQueuer
from benchmarks.peers.systems.procrastinate import Procrastinate
from benchmarks.peers.systems.saq import SAQ

#: In the order of the table.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (Currant(), GraphileWorker(), PgQueuer(), PgBoss(), Procrastinate(), BullMQ(), SAQ(), Celery())
}
