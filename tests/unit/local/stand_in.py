"""Stands in for every process of the platform: the least that the runner needs of one. Run as `crm_NAME`."""

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

NAME = Path(__file__).parent.name
HOST, PORT = os.environ["CRM_LISTEN_ADDRESS"].split(":")


def serve_grpc() -> None:
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    with psycopg.connect(os.environ["CRM_DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO starts DEFAULT VALUES")
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"{HOST}:{PORT}")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


class Gateway(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = {"tenant": "demo", "login": "admin@demo.example"}
        right = self.path == "/v1/auth:token" and known.items() <= body.items() and len(body["password"]) > 20
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"access_token": "a.b.c"} if right else {}).encode())


def migrate() -> None:
    with psycopg.connect(os.environ["CRM_MIGRATION_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")


def seed_demo() -> None:
    assert urlsplit(os.environ["CRM_ISSUER"]).port
    assert len(os.environ["CRM_DEMO_PASSWORD"]) > 20
    assert len(os.environ["CRM_SIGNING_KEY_SECRET"]) > 40


if __name__ == "__main__":
    if NAME == "crm_gateway":
        assert "CRM_DATABASE_URL" not in os.environ
        assert "CRM_SIGNING_KEY_SECRET" not in os.environ
        HTTPServer((HOST, int(PORT)), Gateway).serve_forever()
    {"serve": serve_grpc, "migrate": migrate, "seed-demo": seed_demo}[sys.argv[1]]()
