"""Apache Kafka 4.1 (KRaft): one broker, or several that copy every partition to three and ask for two in sync."""

import struct
import subprocess

import programs
from server import Server, exchange, port_of

VERSION = "4.1.0"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>"""
# ApiVersions, version 0, no client id: a broker that answers it serves.
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def make(data, brokers):
    libraries = programs.from_maven(f"kafka-{VERSION}", POM)
    java = [programs.java(), "-Xms128m", "-Xmx384m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{libraries}/*"]
    ports = {node: (port_of(data, f"kafka{node}"), port_of(data, f"kafka{node}.controller")) for node in range(1, brokers + 1)}
    servers = []
    for node, (port, _) in ports.items():
        config, log = data / f"kafka{node}.properties", data / f"kafka{node}.log"
        config.write_text("".join(f"{name}={value}\n" for name, value in settings(data, node, ports).items()))
        if not (data / f"kafka{node}").exists():
            done = subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", config], capture_output=True, text=True)
            if done.returncode:
                raise programs.Unavailable(f"a broker's folder could not be made: {programs.reason(done.stdout + done.stderr)}")
        servers.append(Server(f"kafka{node}", [*java, "kafka.Kafka", config], log, lambda port=port: exchange(port, API_VERSIONS, 8)))
    return servers, ",".join(f"127.0.0.1:{port}" for port, _ in ports.values())


def settings(data, node, ports):
    port, controller = ports[node]
    copies, in_sync = min(3, len(ports)), 2 if len(ports) > 2 else 1
    return {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": ",".join(f"{other}@127.0.0.1:{its}" for other, (_, its) in ports.items()),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data / f"kafka{node}",
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 8,
    }
