"""What all methods share: one learning rate and weight decay, none for norms and for the head's queries and levels.

Which tensors of a method get no weight decay, its class says (`no_decay`).
"""

method = dict(
    paramwise=dict(
        # Factor of the learning rate of the method's own tensors.
        adapter_lr_mult=1.0,
        # Norms by their type, also where their name says nothing, as of the group norms in Mask2Former's pixel decoder;
        # None for those of which the name says so alone.
        norm_decay_mult=0.0,
        custom_keys={
            "norm": dict(decay_mult=0.0),
            "decode_head.query_embed": dict(decay_mult=0.0),
            "decode_head.level_embed": dict(decay_mult=0.0),
        },
    ),
)

tuned = dict()
