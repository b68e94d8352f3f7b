"""Other programs' opinions on what is in a message."""
import base64
import email
import json
import subprocess

from .scripted import program


def ours(paths, *options):
    """For each file what our scan found: {"parts": [...]}, or {"error", "why"}."""
    done = subprocess.run([program("mime_parts", "asan"), *options, *paths],
                          stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def gmime(paths):
    """For each file GMime's leaves: [{"type", "offset", "bytes"}]; None: it finds no message."""
    done = subprocess.run([program("gmime_parts", "debug"), *paths], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def python(message):
    """Leaves by Python's email package: [(type, content)]."""
    return [(part.get_content_type(), part.get_payload(decode=True))
            for part in email.message_from_bytes(message).walk() if not part.is_multipart()]


MIME_TOOLS = r"""
use strict;
use MIME::Base64;
use MIME::Parser;

sub leaves {
    my ($entity) = @_;
    return map { leaves($_) } $entity->parts if $entity->parts;
    return $entity->bodyhandle ? $entity->bodyhandle->as_string : "";
}

for my $path (@ARGV) {
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    my @found = leaves($parser->parse_open($path));
    print join(" ", map { "=" . encode_base64($_, "") } @found), "\n";
}
"""


def mime_tools(paths):
    """For each file the contents that Perl's MIME-tools finds, which are what content filters in
    front of many mail systems use. It writes the last line end of a message as "\\n"."""
    done = subprocess.run(["perl", "-e", MIME_TOOLS, *paths], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True) # warnings of what is broken
    return [[base64.b64decode(word[1:]) for word in line.split()]
            for line in done.stdout.splitlines()]
