"""What may stand where in a mail: characters, character sets, headers, file names.

What lives here: rules of the RFCs as small pure functions over text. What must not: a
message, an address, or anything that is written to the wire.
"""
