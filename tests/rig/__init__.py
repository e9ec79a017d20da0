"""What tests stand on. Small pieces, and what is put together from them:

- ``shipped``: partner data as the repository has it, read once; ``enterprises``: enterprises that do not exist; ``vectors``: refusals as data
- ``keys``, ``boxes``, ``databases``, ``waiting``: a demo key, a partner in a box, a database of either kind, waiting for what must come
- ``node``: a node with a clock of its own and partners it knows, in this process. On it stand ``gateway`` (it receives and delivers over
  links that can be cut), ``telling`` (what is queued for partners is looked at without a courier) and ``web`` (it answers over HTTP)
- ``installation``: a gateway as it is installed, in processes that can be killed (``serving`` is what they run); ``counterpart``: a
  partner's endpoint that misbehaves; ``disk``: a disk that can be full; ``ledger``: an account of everything; ``bounds``: what a hostile
  input may cost; ``machine``: tools that a machine may lack
"""
