backbone = dict(
    name='dinov2_nano',
    title='DINOv2-shaped nano, pre-trained on synthetic scenes',
    embed_dim=192,
    depth=6,
    patch_px=8,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    weights=dict(
        file='dinov2_nano.safetensors',
        shipped=True,
        bytes=5526968,
        sha256='e66b96845319aec852fa903d27b3570153e5e2528dddc4debce720527a0899c4',
        base_sha256='ceb5f48cc7745b70e33ff73b8997e3b4661b55b09fd6ee3124aa99b350ad6667',
        licence='Apache-2.0',
    ),
    level_strides=[4, 8, 16, 32],
)
bench = dict(
    name='synthetic',
    family='synthetic',
    direction='',
    default=True,
    title='Synthetic scenes, north to south',
    data='synthetic',
    classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
    palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
    reduce_zero_label=False,
    ignore_index=255,
    gsd_m=0.7,
    tile_px=128,
    crop_px=128,
    img_suffix='.png',
    ann_suffix='.png',
    source=dict(
        region='north',
        bands='RGB',
        gsd_m=0.5,
        train=dict(img_dir='north/train/img_dir', ann_dir='north/train/ann_dir'),
        val=dict(img_dir='north/val/img_dir', ann_dir='north/val/ann_dir'),
        test=dict(img_dir='north/test/img_dir', ann_dir='north/test/ann_dir'),
    ),
    target=dict(
        region='south',
        bands='RGB',
        gsd_m=0.7,
        train=dict(img_dir='south/train/img_dir', ann_dir='south/train/ann_dir'),
        val=dict(img_dir='south/val/img_dir', ann_dir='south/val/ann_dir'),
        test=dict(img_dir='south/test/img_dir', ann_dir='south/test/ann_dir'),
    ),
    pipeline=dict(
        resize_ratio=[0.75, 1.5],
        cat_max_ratio=0.75,
        flip_prob=0.5,
        photometric=False,
        fourier_mix=0.0,
        histogram_match=0.0,
    ),
    schedule=dict(iters=6, eval_every=100, batch_size=dict(da=2, dg=2, ss=2)),
    inference=dict(mode='whole', crop_px=128, stride_px=85),
    defaults=dict(method='earth_adapter', backbone='dinov2_nano', head='linear'),
    prepare=dict(kind='synthetic', seed=0, scenes=dict(train=8, val=3, test=4), size_px=512, stride_px=128),
)
cell = dict(
    bench='synthetic',
    setting='dg',
    method='bitfit',
    backbone='dinov2_nano',
    head='linear',
    strategy='source_only',
    seed=0,
    tuned=True,
    protocol='strict',
)
custom_hooks = [dict(type='rs_adapt.MetricsHook'), dict(type='rs_adapt.SelectionHook')]
custom_imports = dict(imports=['rs_adapt.registry'], allow_failed_imports=False)
data_root = '/rs-adapt/data'
default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    sampler_seed=None,
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='rs_adapt.StateHook'),
)
default_scope = 'mmseg'
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
log_level = 'INFO'
log_processor = dict(by_epoch=False)
method = dict(
    paramwise=dict(
        adapter_lr_mult=1.0,
        custom_keys={
            'norm': dict(decay_mult=0.0),
            'decode_head.query_embed': dict(decay_mult=0.0),
            'decode_head.level_embed': dict(decay_mult=0.0),
        },
    ),
    name='bitfit',
    title='BitFit',
    paper='https://arxiv.org/abs/2106.10199',
    tuned=dict(),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(128, 128),
    ),
    backbone=dict(
        type='rs_adapt.Dinov2',
        embed_dim=192,
        depth=6,
        num_heads=3,
        patch_px=8,
        image_px=128,
        out_layers=[1, 2, 4, 5],
        level_scales=[2.0, 1.0, 0.5, 0.25],
        adapter=dict(type='rs_adapt.BitFit', embed_dim=192, depth=6, mlp_dim=768, gated_mlp=False),
        frozen=True,
        weights='/rs-adapt/rs_adapt/backbones/shipped/dinov2_nano.safetensors',
    ),
    decode_head=dict(
        type='rs_adapt.LinearHead',
        ignore_index=255,
        align_corners=False,
        in_channels=[192, 192, 192, 192],
        num_classes=6,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
monitor = dict(
    source_val=dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='rs_adapt.TileDataset',
            name='synthetic/north/val',
            img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/val/img_dir',
            ann_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/val/ann_dir',
            img_suffix='.png',
            ann_suffix='.png',
            classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
            palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
            reduce_zero_label=False,
            ignore_index=255,
            how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
            pipeline=[
                dict(type='LoadImageFromFile', imdecode_backend='pillow'),
                dict(type='Resize', scale=(128, 128), keep_ratio=True),
                dict(type='LoadAnnotations', reduce_zero_label=False, imdecode_backend='pillow'),
                dict(type='PackSegInputs'),
            ],
            spread=128,
        ),
    ),
    label_free=dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='rs_adapt.TileDataset',
            name='synthetic/south/val',
            img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/south/val/img_dir',
            ann_dir=None,
            img_suffix='.png',
            ann_suffix='.png',
            classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
            palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
            reduce_zero_label=False,
            ignore_index=255,
            how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
            pipeline=[
                dict(type='LoadImageFromFile', imdecode_backend='pillow'),
                dict(type='Resize', scale=(128, 128), keep_ratio=True),
                dict(type='PackSegInputs'),
            ],
            spread=64,
        ),
    ),
)
optim = dict(lr=0.002, weight_decay=0.05, poly_power=0.9)
optim_wrapper = dict(
    type='rs_adapt.OptimWrapper',
    constructor='rs_adapt.ParamGroups',
    precision='fp32',
    optimizer=dict(type='AdamW', lr=0.002, weight_decay=0.05, betas=(0.9, 0.999), eps=1e-08),
    paramwise_cfg=dict(
        adapter_lr_mult=1.0,
        custom_keys={
            'norm': dict(decay_mult=0.0),
            'decode_head.query_embed': dict(decay_mult=0.0),
            'decode_head.level_embed': dict(decay_mult=0.0),
        },
    ),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=6, by_epoch=False)]
prepared_dir = '/rs-adapt/home/prepared/synthetic-4bce095b'
protocol = dict(
    name='strict',
    version=1,
    title='the last weights; target labels are read to score only',
    settings=['da', 'dg', 'ss'],
    families=None,
    unlabelled_split='train',
    target_crops='blind',
    report_split='test',
    classes='all',
    inference=None,
    weights='student',
    selection='last',
    label_free='info_max',
    source_val_tiles=128,
    label_free_tiles=64,
    recipe=dict(),
)
randomness = dict(seed=0)
runtime = dict(precision='fp32', num_workers=2)
source_val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='rs_adapt.TileDataset',
        name='synthetic/north/val',
        img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/val/img_dir',
        ann_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/val/ann_dir',
        img_suffix='.png',
        ann_suffix='.png',
        classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
        palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
        reduce_zero_label=False,
        ignore_index=255,
        how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
        pipeline=[
            dict(type='LoadImageFromFile', imdecode_backend='pillow'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations', reduce_zero_label=False, imdecode_backend='pillow'),
            dict(type='PackSegInputs'),
        ],
    ),
)
strategy = dict(
    name='source_only',
    title='train on the labelled region alone',
    settings=['da', 'dg', 'ss'],
    needs_target=False,
)
test_cfg = dict(type='rs_adapt.TestLoop', precision='fp32')
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='rs_adapt.TileDataset',
        name='synthetic/south/test',
        img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/south/test/img_dir',
        ann_dir='/rs-adapt/home/prepared/synthetic-4bce095b/south/test/ann_dir',
        img_suffix='.png',
        ann_suffix='.png',
        classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
        palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
        reduce_zero_label=False,
        ignore_index=255,
        how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
        pipeline=[
            dict(type='LoadImageFromFile', imdecode_backend='pillow'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations', reduce_zero_label=False, imdecode_backend='pillow'),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_evaluator = dict(
    type='rs_adapt.ConfusionMetric',
    classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
    ignore_index=255,
    scored='all',
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=6)
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='rs_adapt.DrawSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='rs_adapt.DomainStream',
        seed=0,
        labelled=dict(
            type='rs_adapt.TileDataset',
            name='synthetic/north/train',
            img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/train/img_dir',
            ann_dir='/rs-adapt/home/prepared/synthetic-4bce095b/north/train/ann_dir',
            img_suffix='.png',
            ann_suffix='.png',
            classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
            palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
            reduce_zero_label=False,
            ignore_index=255,
            how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
            pipeline=[
                dict(type='LoadImageFromFile', imdecode_backend='pillow'),
                dict(type='LoadAnnotations', reduce_zero_label=False, imdecode_backend='pillow'),
                dict(type='RandomResize', scale=(128, 128), ratio_range=(0.75, 1.5), keep_ratio=True),
                dict(type='RandomCrop', crop_size=(128, 128), cat_max_ratio=0.75),
                dict(type='RandomFlip', prob=0.5),
                dict(type='PackSegInputs'),
            ],
        ),
        unlabelled=None,
        class_sampling=None,
    ),
)
val_cfg = dict(type='rs_adapt.ValLoop', precision='fp32', region='target', weights='student')
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='rs_adapt.TileDataset',
        name='synthetic/south/val',
        img_dir='/rs-adapt/home/prepared/synthetic-4bce095b/south/val/img_dir',
        ann_dir='/rs-adapt/home/prepared/synthetic-4bce095b/south/val/ann_dir',
        img_suffix='.png',
        ann_suffix='.png',
        classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
        palette=[[200, 200, 200], [220, 40, 40], [250, 210, 60], [40, 90, 220], [50, 160, 70], [170, 120, 80]],
        reduce_zero_label=False,
        ignore_index=255,
        how_to_get='Nothing to fetch: `rs-adapt train --bench synthetic-da` draws the scenes. If its folder was changed by hand, delete it.',
        pipeline=[
            dict(type='LoadImageFromFile', imdecode_backend='pillow'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations', reduce_zero_label=False, imdecode_backend='pillow'),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_evaluator = dict(
    type='rs_adapt.ConfusionMetric',
    classes=['background', 'building', 'road', 'water', 'vegetation', 'bare'],
    ignore_index=255,
    scored='all',
)
visualizer = dict(type='Visualizer', vis_backends=[])
work_dir = '/rs-adapt/work_dirs/finished'
